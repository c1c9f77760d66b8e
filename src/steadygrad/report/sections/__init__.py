"""The parts of the page, one file each: ReportData to HTML; empty HTML leaves a part out."""
