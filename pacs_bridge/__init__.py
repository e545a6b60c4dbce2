"""The protocols: DICOM in and out, and the result objects that leave after sign-off."""
