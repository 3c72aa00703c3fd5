# unit tests of lib/
