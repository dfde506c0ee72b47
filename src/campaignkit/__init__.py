"""Send, track and measure SMS/MMS campaigns from any Python program."""
