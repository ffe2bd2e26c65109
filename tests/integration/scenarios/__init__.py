"""What mail clients do, written so that it can run against a server itself and through Headgate;
the two transcripts must then be the same."""
