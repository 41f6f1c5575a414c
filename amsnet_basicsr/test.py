"""`python -m amsnet_basicsr.test -opt options.yml`: test in the current folder, as BasicSR's test.py does."""

from amsnet_basicsr.launch import test, working_directory

if __name__ == '__main__':
    test(working_directory())
