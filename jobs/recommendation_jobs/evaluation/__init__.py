"""The parts of `evaluate`: what can be asked for, what is measured on, who takes part, what is written."""
