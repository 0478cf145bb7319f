"""What the sceptic's controls are called."""

TRUE, NONE = "TRUE", "NONE"
SWAP, SELF = "SWAP", "SWAP-SELF"
SHUFFLE, MISTAKE = "SHUFFLE", "MISTAKE"
FILLER = "FILLER"  # with the name of the filler behind it
CUT = "TRUE, cut"  # behind each sentence

FORCED, LOGPROB, REDRAWN = "P(correct), forced", "log p of gold", "P(correct), redrawn"
RIGHT, WRONG = "ended right", "ended wrong"  # the traces, which are told apart
