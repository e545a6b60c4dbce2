"""Plain HTTP beside Streamlit: log-in, health, metrics, pixels, autosave, the scripts of the components."""
