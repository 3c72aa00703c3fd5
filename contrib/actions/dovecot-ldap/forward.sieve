# For sieve_before (compile it with sievec), with sieve_extensions and sieve_global_extensions having
# +vnd.dovecot.environment: sends mail on where the account has a forwarding address, and keeps none.
# The user's own script is neither changed nor run then.
require ["environment", "vnd.dovecot.environment", "variables"];

if environment :matches "vnd.dovecot.config.forward" "?*" {
	redirect "${1}${2}";
	stop;
}
