"""placeholder"""


def add_arguments(parser): ...
def run(options):
    return 0
