"""What comes in: who may call, the body, the answer; hook calls and feedback."""
