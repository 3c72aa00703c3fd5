#include "doctor/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

#define LINE_MAX_BYTES 2048

/* The text in one line and its remedy; the remedy begins behind the last line end. */
static void add(struct doctor_report *report, enum doctor_severity severity, const char *format,
	va_list list)
{
	char text[LINE_MAX_BYTES];
	struct doctor_finding *finding;

	vsnprintf(text, sizeof(text), format, list);
	char *remedy = strrchr(text, '\n');
	if (remedy != NULL)
		*remedy++ = '\0';
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	report->findings = mem_grow(report->findings, report->count + 1, sizeof(*report->findings));
	finding = &report->findings[report->count++];
	finding->check = report->check;
	finding->severity = severity;
	finding->what = mem_strdup(text);
	finding->remedy = mem_strdup(remedy != NULL ? remedy : "");
}

void report_error(struct doctor_report *report, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	add(report, DOCTOR_ERROR, format, list);
	va_end(list);
}

void report_warning(struct doctor_report *report, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	add(report, DOCTOR_WARNING, format, list);
	va_end(list);
}

void report_unseen(struct doctor_report *report, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	add(report, DOCTOR_UNSEEN, format, list);
	va_end(list);
}

const char *doctor_severity_name(enum doctor_severity severity)
{
	static const char *const names[] = { "ok", "unseen", "warning", "error" };

	return names[severity];
}

enum doctor_severity report_worst(const struct doctor_report *report)
{
	enum doctor_severity worst = DOCTOR_OK;

	for (size_t i = 0; i < report->count; i++)
		if (report->findings[i].severity > worst)
			worst = report->findings[i].severity;
	return worst;
}

size_t report_count(const struct doctor_report *report, enum doctor_severity severity)
{
	size_t count = 0;

	for (size_t i = 0; i < report->count; i++)
		count += report->findings[i].severity == severity;
	return count;
}

void report_free(struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		mem_free(&report->findings[i].what);
		mem_free(&report->findings[i].remedy);
	}
	mem_free(&report->findings);
	report->count = 0;
}
