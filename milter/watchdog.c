#define _GNU_SOURCE
#include "milter/watchdog.h"

#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pulse.h"
#include "lib/sdnotify.h"
#include "milter/socket.h"

struct watchdog {
	struct front *front;
	int64_t interval_us, due_us;
	struct pulse listener; /* since the first of our connections that was not answered */
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *stuck; /* as told last */
};

struct watchdog *watchdog_new(struct front *front)
{
	int64_t interval = sdnotify_watchdog_us();

	if (interval == 0)
		return NULL;
	struct watchdog *w = mem_zalloc(sizeof *w);
	w->front = front;
	w->interval_us = interval;
	w->due_us = clock_mono_us();
	if (socket_address(front->config->milter.socket, &w->address, &w->address_len) < 0)
		log_warning("service", "the watchdog does not know the milter's listener");
	return w;
}

int64_t watchdog_due_us(const struct watchdog *w)
{
	return w != NULL ? w->due_us : -1;
}

/* --- the listener ---------------------------------------------------------------------------- */

/* What an MTA begins with: protocol 6 with all that there is. Then that it quits. */
static const unsigned char negotiate[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f,
	0xff, 0xff };
static const unsigned char quit[] = { 0, 0, 0, 1, 'Q' };

static bool answers(int fd, const struct watchdog *w)
{
	struct timeval second = { .tv_sec = 1 };
	unsigned char reply[5];

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	bool good =
		connect(fd, (const struct sockaddr *)&w->address, w->address_len) == 0 &&
		send(fd, negotiate, sizeof negotiate, MSG_NOSIGNAL) == (ssize_t)sizeof negotiate &&
		recv(fd, reply, sizeof reply, MSG_WAITALL) == (ssize_t)sizeof reply &&
		reply[4] == 'O';
	(void)!send(fd, quit, sizeof quit, MSG_NOSIGNAL);
	return good;
}

static void try_listener(struct watchdog *w)
{
	if (w->address_len == 0)
		return;
	int fd = socket(w->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* out of descriptors: that passes, and says nothing about the listener */
	if (fd < 0)
		return;
	if (answers(fd, w))
		pulse_rest(&w->listener);
	else
		pulse_wanted(&w->listener);
	close(fd);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* Half an interval at one step is too long. Who is stuck, or NULL. */
static const char *find_stuck(
	int64_t interval_us, int64_t listener_us, int64_t writer_us, int64_t consumer_us)
{
	int64_t most = interval_us / 2;

	if (listener_us >= most)
		return "the milter's listener does not answer";
	if (writer_us >= most)
		return "the hold queue's writer is stuck";
	return consumer_us >= most ? "the directory's consumer is stuck" : NULL;
}

static void tell(struct watchdog *w, const char *stuck)
{
	if (stuck != NULL && w->stuck == NULL) {
		log_error("service",
			"no progress, the service manager will end the process and start it "
			"again: %s",
			stuck);
		sdnotify("STATUS=%s", stuck);
	} else if (stuck == NULL && w->stuck != NULL) {
		log_info("service", "progress again");
		sdnotify("STATUS=serving as %s", w->front->config->milter.node);
	}
	w->stuck = stuck;
	if (stuck == NULL)
		sdnotify("WATCHDOG=1");
}

void watchdog_tick(struct watchdog *w)
{
	w->due_us = clock_mono_us() + w->interval_us / 2;
	try_listener(w);
	tell(w, find_stuck(w->interval_us, pulse_busy_us(&w->listener),
			holdq_busy_us(w->front->queue), consumer_busy_us(w->front->consumer)));
}
