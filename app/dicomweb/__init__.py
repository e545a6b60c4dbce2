"""DICOMweb on the reading room's server: STOW-RS in, QIDO-RS and WADO-RS out (PS3.18 section 10)."""
