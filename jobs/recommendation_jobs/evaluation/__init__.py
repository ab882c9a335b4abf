"""The parts of `evaluate`: what can be asked for, what is measured on, which rankers take part, what is written."""
