#include "milter/reply.h"

#include <stddef.h>

static const struct reply_text texts[] = {
	[REPLY_NOBODY] = { "550", "5.1.1", "User unknown" },
	[REPLY_DEFER] = { "451", "4.2.1", "Mailbox in transfer, try again later" },
	[REPLY_TRYAGAIN] = { "451", "4.3.0", "Routing not known at present, try again later" },
	[REPLY_FULL] = { "452", "4.3.1", "Insufficient system storage, try again later" },
	[REPLY_SYNTAX] = { "553", "5.1.3", "Bad recipient address syntax" },
	[REPLY_TOO_MANY] = { "452", "4.5.3", "Too many recipients" },
	[REPLY_FLIPPED] = { "451", "4.2.1", "Mailbox in transfer, send the message again" },
	[REPLY_CIRCLE] = { "451", "4.4.6", "Routing loop, try again later" },
	[REPLY_STORE] = { "451", "4.3.0", "Message cannot be stored at present, try again later" },
	[REPLY_MTA] = { "451", "4.3.0", "Envelope cannot be changed at present, try again later" },
	[REPLY_STOPPING] = { "451", "4.3.2", "Service is stopping, try again later" },
};

const struct reply_text *reply_text(enum reply reply)
{
	return reply == REPLY_NONE ? NULL : &texts[reply];
}

const char *reply_name(enum reply reply)
{
	static const char *const names[] = {
		[REPLY_NONE] = "none",
		[REPLY_NOBODY] = "nobody",
		[REPLY_DEFER] = "defer",
		[REPLY_TRYAGAIN] = "tryagain",
		[REPLY_FULL] = "full",
		[REPLY_SYNTAX] = "syntax",
		[REPLY_TOO_MANY] = "too_many",
		[REPLY_FLIPPED] = "flipped",
		[REPLY_CIRCLE] = "circle",
		[REPLY_STORE] = "store",
		[REPLY_MTA] = "mta",
		[REPLY_STOPPING] = "stopping",
	};

	return names[reply];
}

bool reply_is_permanent(enum reply reply)
{
	return reply != REPLY_NONE && texts[reply].code[0] == '5';
}

enum reply reply_for(enum route_verdict verdict)
{
	switch (verdict) {
	case ROUTE_LEAVE:
	case ROUTE_REWRITE:
	case ROUTE_HOLD: return REPLY_NONE;
	case ROUTE_NOBODY: return REPLY_NOBODY;
	case ROUTE_DEFER: return REPLY_DEFER;
	case ROUTE_TRYAGAIN: break;
	}
	return REPLY_TRYAGAIN;
}
