"""What runs inside Streamlit."""
