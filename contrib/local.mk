# What an administrator copies from, per MTA.
postfixexampledir = $(docdir)/postfix
dist_postfixexample_DATA = contrib/postfix/main.cf contrib/postfix/master.cf
