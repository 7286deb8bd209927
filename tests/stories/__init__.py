"""Stories: actions on a node, on real lnds and on the simulator, and the changes of the page that they must lead to."""
