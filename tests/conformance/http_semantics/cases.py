"""All cases: those of each part of HTTP/1.1, in one list.

They join script.CASES as they are imported.
"""

import body_cases
import connection_cases
import head_cases
from script import CASES

__all__ = ["CASES", "body_cases", "connection_cases", "head_cases"]
