"""Losses: functions and modules of waveforms, logits and feature maps."""
