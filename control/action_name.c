#include "control/action.h"

static const char *const names[ACTIONS] = {
	[ACTION_CREATE] = "create",
	[ACTION_REDIRECT] = "redirect",
	[ACTION_UNREDIRECT] = "unredirect",
	[ACTION_ADDRESSES] = "addresses",
	[ACTION_UNADDRESS] = "unaddress",
	[ACTION_LIST] = "list",
	[ACTION_CLOSE] = "close",
	[ACTION_OPEN] = "open",
	[ACTION_EMPTY] = "empty",
	[ACTION_DELETE] = "delete",
	[ACTION_CONTACT] = "contact",
};

const char *action_name(enum action action)
{
	return names[action];
}
