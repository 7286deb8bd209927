"""Stories: what people do to a node, told to a real lnd and to the simulator alike, and what the page then says."""
