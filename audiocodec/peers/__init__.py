"""Other codecs, run through their own packages: what `codec bench` and `codec evaluate` measure."""
