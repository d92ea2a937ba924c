"""Reports: one self-contained page per traverse or terrain, and still pictures."""

from rover_energy.report.terrain_report import write_terrain_report
from rover_energy.report.writer import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report", "write_terrain_report"]
