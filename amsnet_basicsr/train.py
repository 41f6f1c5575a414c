"""`python -m amsnet_basicsr.train -opt options.yml`: train in the current folder, as BasicSR's train.py does."""

from amsnet_basicsr.launch import train, working_directory

if __name__ == '__main__':
    train(working_directory())
