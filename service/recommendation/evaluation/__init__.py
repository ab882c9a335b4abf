"""How good lists are: splits, measures, peers, and the gate that a candidate passes before it goes live."""
