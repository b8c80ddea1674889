"""Pages and the HTTP interface: what browsers and programs see of an installation."""
