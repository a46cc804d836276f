"""The attacks of the threat table, performed on copies of a journal and judged by the library."""
