"""The model: DICOM pixels in, a draft with findings, sentences, regions and confidences out."""
