# unit tests of milter/
