# unit tests of directory/
