"""Speed and size of batpak beside its peers; run `python -m bench` from the folder above."""
