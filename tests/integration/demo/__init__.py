"""What scripts/demo runs: three mail servers, a hundred mailboxes and Headgate in front of them."""
