//! The dashboard, the alert rules and the table of metrics speak of metrics that there are.
