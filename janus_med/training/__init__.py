"""Training of the bundled models, from openly licensed radiographs, inserted lesions and our own report
grammar.
"""
