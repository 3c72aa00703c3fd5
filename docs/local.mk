# docs: data files that are installed or shipped
