"""How good a model is: splits, metrics, protocol."""
