"""Settings: base.py has everything shared; demo.py, test.py and production.py hold only the differences."""
