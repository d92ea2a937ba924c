"""Views: what operators look at, made from a bag or from live topics: Foxglove, Rerun, PlotJuggler, a terminal."""
