"""The detectors: one file each, its options in conf/method."""
