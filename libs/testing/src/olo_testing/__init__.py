"""The real servers, for tests: on free ports, started once a session, gone afterwards."""
