/* The answers of a handler, see lib/control.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "lib/control_internal.h"
#include "lib/log.h"

static int send_all(struct control_reply *reply, const char *data, size_t len)
{
	while (len > 0 && !reply->gone) {
		ssize_t sent = send(reply->fd, data, len, MSG_NOSIGNAL);
		if (sent >= 0) {
			data += sent;
			len -= (size_t)sent;
		} else if (errno != EINTR) {
			reply->gone = true;
		}
	}
	return reply->gone ? -1 : 0;
}

/* `head` is an object without its closing brace; fields go behind its members. */
static int send_line(struct control_reply *reply, const char *head, struct json *fields)
{
	struct str line = STR_INIT, more = STR_INIT;

	str_append_z(&line, head);
	if (fields != NULL)
		json_dump(fields, &more);
	if (more.len > 2)
		str_printf(&line, ",%s", more.data + 1);
	else
		str_append_c(&line, '}');
	str_append_c(&line, '\n');
	int result = send_all(reply, line.data, line.len);
	json_free(&fields);
	str_free(&line);
	str_free(&more);
	return result;
}

/* A handler that answers twice would make the client take one answer for that of its next request.
 */
static bool expect(struct control_reply *reply, int state, const char *call)
{
	if ((int)reply->state == state)
		return true;
	log_error("control", "answer out of turn call=%s", call);
	reply->gone = true;
	return false;
}

void control_ok(struct control_reply *reply, struct json *fields)
{
	if (!expect(reply, REPLY_NONE, "ok")) {
		json_free(&fields);
		return;
	}
	reply->state = REPLY_DONE;
	send_line(reply, "{\"v\":1,\"ok\":true", fields);
}

void control_fail(struct control_reply *reply, const char *code, const char *format, ...)
{
	struct json *fields = json_new_object();
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	json_set_string(fields, "error", text);
	json_set_string(fields, "code", code);
	if (!expect(reply, REPLY_NONE, "fail")) {
		json_free(&fields);
		return;
	}
	reply->state = REPLY_DONE;
	send_line(reply, "{\"v\":1,\"ok\":false", fields);
}

void control_reloaded(
	struct control_reply *reply, int result, struct str *unchanged, struct str *error)
{
	if (result < 0) {
		control_fail(reply, "refused", "%s", str_cstr(error));
	} else {
		struct json *fields = json_new_object();
		json_set_string(fields, "unchanged", str_cstr(unchanged));
		control_ok(reply, fields);
	}
	str_free(unchanged);
	str_free(error);
}

int control_stream(struct control_reply *reply)
{
	if (!expect(reply, REPLY_NONE, "stream"))
		return -1;
	reply->state = REPLY_STREAM;
	return send_line(reply, "{\"v\":1,\"ok\":true,\"stream\":true", NULL);
}

int control_item(struct control_reply *reply, struct json *item)
{
	struct str line = STR_INIT;
	int result = -1;

	if (expect(reply, REPLY_STREAM, "item")) {
		json_dump(item, &line);
		str_append_c(&line, '\n');
		result = send_all(reply, line.data, line.len);
		str_free(&line);
	}
	json_free(&item);
	return result;
}

int control_end(struct control_reply *reply, struct json *fields)
{
	if (!expect(reply, REPLY_STREAM, "end")) {
		json_free(&fields);
		return -1;
	}
	reply->state = REPLY_DONE;
	return send_line(reply, "{\"end\":true", fields);
}

int control_content(struct control_reply *reply, struct json *fields, size_t bytes)
{
	char head[64];

	if (!expect(reply, REPLY_NONE, "content")) {
		json_free(&fields);
		return -1;
	}
	snprintf(head, sizeof head, "{\"v\":1,\"ok\":true,\"bytes\":%zu", bytes);
	reply->content_left = bytes;
	reply->state = bytes ? REPLY_CONTENT : REPLY_DONE;
	return send_line(reply, head, fields);
}

int control_bytes(struct control_reply *reply, const void *data, size_t len)
{
	if (len == 0)
		return reply->gone ? -1 : 0;
	if (!expect(reply, REPLY_CONTENT, "bytes"))
		return -1;
	if (len > reply->content_left) {
		log_error("control", "more content than announced");
		reply->gone = true;
		return -1;
	}
	reply->content_left -= len;
	if (reply->content_left == 0)
		reply->state = REPLY_DONE;
	return send_all(reply, data, len);
}
