"""The reading room: a thin Streamlit shell over the services; loads neither torch nor the network."""
