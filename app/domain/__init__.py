"""What a study, a report, a signature and an audit entry are: frozen values and rules, no input or output."""
