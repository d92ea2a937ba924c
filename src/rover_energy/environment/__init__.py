"""Where the rover is: gravity, the Sun, its irradiance and the shadows of the terrain."""
