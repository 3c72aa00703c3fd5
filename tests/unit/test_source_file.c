/* Drop folders as sources (dirsync/source_file.c): what is complete, and what must never look so.
 */
#define _GNU_SOURCE
#include "tests/unit/source_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

static char *path_of(const char *name)
{
	return mem_printf("%s/%s", top, name);
}

static void write_file(const char *name, const char *text, size_t len)
{
	char *path = path_of(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
	mem_free(&path);
}

/* As whoever exports should do it. Two renames within a tick of the kernel's clock have one ctime;
 * this one is later than all before. */
static void drop_bytes(const char *name, const char *text, size_t len)
{
	static struct timespec last;
	char *from = path_of("new.tmp"), *to = path_of(name);
	struct stat st;

	write_file("new.tmp", text, len);
	do {
		clock_sleep_us(1 * CLOCK_MS);
		assert_int_equal(rename(from, to), 0);
		assert_int_equal(stat(to, &st), 0);
		assert_int_equal(rename(to, from), 0);
	} while (st.st_ctim.tv_sec == last.tv_sec && st.st_ctim.tv_nsec == last.tv_nsec);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(stat(to, &st), 0);
	last = st.st_ctim;
	mem_free(&from);
	mem_free(&to);
}

static void drop(const char *name, const char *text)
{
	drop_bytes(name, text, strlen(text));
}

static bool exists(const char *name)
{
	char *path = path_of(name);
	bool there = access(path, F_OK) == 0;

	mem_free(&path);
	return there;
}

static void make_folder(const char *name)
{
	char *path = path_of(name);

	assert_int_equal(mkdir(path, 0755), 0);
	mem_free(&path);
}

/* The last write was long ago, the rename just now. */
static void age(const char *name)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 1000000000, 0 } };
	char *path = path_of(name);

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	mem_free(&path);
}

static const char ldif[] = "version: 1\n\ndn: uid=a\nid: a\nmail: A@x.example\nalias: b@x.example\n"
			   "name:: w4Q=\n\ndn: uid=c\nid: c\nmail: c@x.example\nname: C\n\n";
static const char ldif_said[] = "a now.ldif:3 a@x.example,b@x.example cn=\xc3\x84\n"
				"c now.ldif:9 c@x.example cn=C\n";
static const char csv[] = "id,mail,alias,name\na,a@x.example,b@x.example|c@x.example,A\n";

/* --- tests ---------------------------------------------------------------------------------- */

static void names(void **state)
{
	(void)state;
	assert_null(source_kind_find("pigeon"));
	expect("ldif", SOURCE_NOTHING, "*.ldif: there is no such file");
	write_file("now.ldif.tmp", ldif, strlen(ldif));
	write_file(".now.ldif", ldif, strlen(ldif));
	write_file(".ldif", ldif, strlen(ldif));
	write_file("now.csv", csv, strlen(csv));
	make_folder("folder.ldif");
	expect("ldif", SOURCE_NOTHING, "*.ldif: there is no such file");
	drop("now.ldif", ldif);
	expect("ldif", SOURCE_COMPLETE, ldif_said);
	expect("csv", SOURCE_COMPLETE, "a now.csv:2 a@x.example,b@x.example,c@x.example cn=A\n");
	drop("THEN.LDIF", "dn: uid=d\nid: d\nmail: d@x.example\n\n");
	expect("ldif", SOURCE_COMPLETE, "d THEN.LDIF:1 d@x.example\n");
}

static void the_last_one_counts(void **state)
{
	(void)state;
	drop("z.csv", csv);
	drop("b.csv", "id,mail,alias,name\nb,b@x.example,,\n");
	expect("csv", SOURCE_COMPLETE, "b b.csv:2 b@x.example\n");
	assert_true(exists("z.csv") && exists("b.csv"));
	make_folder("done");
	expect("csv", SOURCE_COMPLETE, "b b.csv:2 b@x.example\n");
	assert_true(exists("b.csv") && exists("done/z.csv"));
	for (int i = 0; i < 3; i++) {
		drop("z.csv", csv);
		drop("c.csv", "id,mail,alias,name\nc,c@x.example,,\n");
		expect("csv", SOURCE_COMPLETE, "c c.csv:2 c@x.example\n");
	}
	assert_true(exists("c.csv") && exists("done/b.csv") && exists("done/z.csv.2") &&
		    exists("done/z.csv.4"));
	/* An old one that is renamed again is a new one. */
	drop("z.csv", csv);
	drop("c.csv", "id,mail,alias,name\nc,c@x.example,,\n");
	drop("z.csv", csv);
	expect("csv", SOURCE_COMPLETE, "a z.csv:2 a@x.example,b@x.example,c@x.example cn=A\n");
}

static void each_once(void **state)
{
	struct source *source = open_source("csv");
	struct source_request request = { .mark = "" };
	struct source_result first, again;
	struct heard heard = { .text = STR_INIT };
	const char *error;

	(void)state;
	const struct source_kind *kind = source_kind_find("csv");
	assert_int_equal(kind->wait(source, "", 0, NULL, &error), 0);
	drop("a.csv", csv);
	assert_int_equal(kind->wait(source, "", 0, NULL, &error), 1);
	assert_int_equal(pull_as(source, &request, &heard, &first), SOURCE_COMPLETE);
	assert_int_equal(first.persons, 1);
	assert_in_range(clock_wall_us() - first.read_us, 0, 10 * CLOCK_SECOND);
	/* Its run failed, or not: nothing new is there before the next file. */
	assert_int_equal(kind->wait(source, "", 0, NULL, &error), 0);
	request.mark = str_cstr(&first.mark);
	assert_int_equal(pull_as(source, &request, &heard, &again), SOURCE_NOTHING);
	assert_non_null(strstr(again.reason.data, "a.csv: it was read already"));
	source_result_free(&again);
	drop("a.csv", csv);
	assert_int_equal(kind->wait(source, request.mark, 0, NULL, &error), 1);
	assert_int_equal(pull_as(source, &request, &heard, &again), SOURCE_COMPLETE);
	assert_string_not_equal(again.mark.data, first.mark.data);
	/* A broken one wakes nobody twice, either. */
	drop("b.csv", "id,");
	assert_int_equal(kind->wait(source, again.mark.data, 0, NULL, &error), 1);
	source_result_free(&first);
	assert_int_equal(pull_as(source, &(struct source_request){ .mark = again.mark.data },
				 &heard, &first),
		SOURCE_INCOMPLETE);
	assert_int_equal(kind->wait(source, again.mark.data, 0, NULL, &error), 0);
	source_result_free(&first);
	source_result_free(&again);
	str_free(&heard.text);
	kind->close(&source);
}

/* Only what was renamed after it answers a request. */
static void requests(void **state)
{
	struct source *source = open_source("csv");
	struct source_request request = { .mark = "" };
	struct source_result result;
	struct heard heard = { .text = STR_INIT };

	(void)state;
	drop("a.csv", csv);
	/* The kernel's clock for files stands behind by up to a tick. */
	clock_sleep_us(20 * CLOCK_MS);
	request.asked_us = clock_wall_us();
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_NOTHING);
	assert_non_null(strstr(result.reason.data, "before the sync was asked for"));
	source_result_free(&result);
	clock_sleep_us(20 * CLOCK_MS);
	drop("b.csv", csv);
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_COMPLETE);
	assert_true(result.read_us >= request.asked_us);
	source_result_free(&result);
	str_free(&heard.text);
	source_kind_find("csv")->close(&source);
}

static void strangers(void **state)
{
	char *path = path_of("link.csv"), *file = path_of("real"), *fifo = path_of("fifo.csv");

	(void)state;
	write_file("real", csv, strlen(csv));
	assert_int_equal(symlink(file, path), 0);
	expect("csv", SOURCE_INCOMPLETE,
		"link.csv: symbolic links are not followed; rename the file "
		"itself into place");
	unlink(path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	expect("csv", SOURCE_INCOMPLETE, "fifo.csv: this is no file; remove it");
	unlink(fifo);
	drop("open.csv", csv);
	mem_free(&file);
	file = path_of("open.csv");
	assert_int_equal(chmod(file, 0666), 0);
	expect("csv", SOURCE_INCOMPLETE, "open.csv: everybody may write to it; chmod o-w");
	assert_int_equal(chmod(file, 0644), 0);
	if (geteuid() == 0) { /* nobody else can give files away */
		assert_int_equal(chown(file, 4711, (gid_t)-1), 0);
		expect("csv", SOURCE_INCOMPLETE,
			"open.csv: it belongs neither to root, nor to us, "
			"nor to the owner of the folder; chown");
		assert_int_equal(chown(top, 4711, (gid_t)-1), 0);
		expect("csv", SOURCE_COMPLETE,
			"a open.csv:2 a@x.example,b@x.example,c@x.example cn=A\n");
	}
	assert_int_equal(chmod(top, 0777), 0);
	expect("csv", SOURCE_INCOMPLETE, " everybody may write into this folder; chmod o-w");
	mem_free(&path);
	mem_free(&file);
	mem_free(&fifo);
}

static void no_folder(void **state)
{
	(void)state;
	settings.folder = (char *)"/nowhere/at/all";
	expect("ldif", SOURCE_INCOMPLETE, "/nowhere/at/all: No such file or directory");
}

/* Whatever is cut off, and wherever. */
static void truncated(void **state)
{
	static const char text[] = "id,mail,alias,name\na,a@x.example,,A\nb,b@x.example,,\"B, C\"\n"
				   "# end 2\n";

	(void)state;
	settings.end_mark = true;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct source *source = open_source("csv");
		struct source_request request = { .mark = "" };
		struct source_result result;
		struct heard heard = { .text = STR_INIT };

		write_file("a.csv", text, len);
		assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_INCOMPLETE);
		assert_true(result.reason.len > 0 && result.mark.len == 0);
		str_free(&heard.text);
		source_result_free(&result);
		source_kind_find("csv")->close(&source);
	}
	write_file("a.csv", text, sizeof(text) - 1);
	expect("csv", SOURCE_COMPLETE,
		"a a.csv:2 a@x.example cn=A\nb a.csv:3 b@x.example cn=B, C\n");
	settings.end_mark = false;
	drop("a.csv", "id,mail,alias,name\na,a@x.example,,A\nb,b@x");
	expect("csv", SOURCE_INCOMPLETE, "a.csv:3: the last line has no end: truncated");
	drop("a.csv", "id,mail,alias,name\na,a@x.example,,A\nb,b@x\n");
	expect("csv", SOURCE_INCOMPLETE,
		"a.csv:3: this row has 2 fields, but there are 4 columns: cut off, or a separator "
		"in it is not in quotes");
	drop("a.ldif", "dn: uid=a\nid: a\nmail: a@x.example\n");
	expect("ldif", SOURCE_INCOMPLETE,
		"a.ldif:3: there is no empty line behind the last record: truncated, or end it "
		"with an empty line");
	settings.end_mark = true;
	drop("a.ldif", ldif);
	expect("ldif", SOURCE_INCOMPLETE,
		"a.ldif:13: the last line is not \"# end COUNT\", which end_mark wants: "
		"truncated, or write it");
	drop("a.ldif", "");
	expect("ldif", SOURCE_INCOMPLETE,
		"a.ldif:0: there is no record; if that is true, say so with the line \"# end "
		"0\"");
	drop("a.ldif", "# end 0\n");
	expect("ldif", SOURCE_COMPLETE, "");
}

static void failed_files(void **state)
{
	(void)state;
	make_folder("failed");
	drop("good.csv", csv);
	drop("bad.csv", "id,mail,alias,name\na");
	expect("csv", SOURCE_INCOMPLETE, "bad.csv:2: the last line has no end: truncated");
	/* It may be being written by somebody who does not rename. */
	assert_true(exists("bad.csv"));
	age("bad.csv");
	expect("csv", SOURCE_INCOMPLETE, "bad.csv:2: the last line has no end: truncated");
	assert_true(!exists("bad.csv") && exists("failed/bad.csv"));
	expect("csv", SOURCE_COMPLETE, "a good.csv:2 a@x.example,b@x.example,c@x.example cn=A\n");
}

static void grow(void)
{
	static bool grown;

	if (grown)
		return;
	grown = true;
	char *path = path_of("a.csv");
	FILE *file = fopen(path, "a");

	assert_non_null(file);
	fputs("z,z@x.example,,\n", file);
	fclose(file);
	mem_free(&path);
}

static void written_in_place(void **state)
{
	struct source *source = open_source("csv");
	struct source_request request = { .mark = "" };
	struct source_result result;
	struct heard heard = { .text = STR_INIT, .each = grow };

	(void)state;
	drop("a.csv", csv);
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_INCOMPLETE);
	assert_non_null(strstr(result.reason.data, "a.csv: it changed while it was read; write it "
						   "under another name"));
	source_result_free(&result);
	str_free(&heard.text);
	source_kind_find("csv")->close(&source);
}

static void stopped(void **state)
{
	struct source *source = open_source("csv");
	atomic_bool stop = true;
	struct source_request request = { .mark = "", .stop = &stop };
	struct source_result result;
	struct heard heard = { .text = STR_INIT, .stop_after = 1 };

	(void)state;
	make_folder("failed");
	drop("a.csv", csv);
	age("a.csv");
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_INCOMPLETE);
	assert_string_equal(result.reason.data, "the pull was stopped");
	source_result_free(&result);
	atomic_store(&stop, false);
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_INCOMPLETE);
	assert_string_equal(result.reason.data, "the pull was stopped");
	source_result_free(&result);
	assert_true(exists("a.csv"));
	str_free(&heard.text);
	source_kind_find("csv")->close(&source);
}

static void columns(void **state)
{
	(void)state;
	drop("a.csv", "id,mail,name\na,a@x.example,A\n");
	expect("csv", SOURCE_INCOMPLETE,
		"a.csv:1: there is no column \"alias\", but the settings of up S1 name it; there "
		"are \"id\", \"mail\", \"name\"");
	drop("a.csv", "ID,Mail,alias,Alias,room,NAME\na,a@x.example,b@x.example,c@x.example,7,A\n");
	expect("csv", SOURCE_COMPLETE, "a a.csv:2 a@x.example,b@x.example,c@x.example cn=A\n");
	settings.separator = (char *)";";
	settings.value_separator = (char *)",";
	settings.physical = (char *)"%{mail:local}@s1.internal";
	drop("a.csv", "id;mail;alias;name\na,b;a@x.example;b@x.example , ,c@x.example,;\"A;\"\n");
	expect("csv", SOURCE_COMPLETE, "a,b a.csv:2 a@x.example,b@x.example,c@x.example cn=A;\n");
	settings.separator = (char *)"tab";
	settings.value_separator = (char *)"";
	drop("a.csv", "id\tmail\talias\tname\na\ta@x.example\t\tA|B, C\n");
	expect("csv", SOURCE_COMPLETE, "a a.csv:2 a@x.example cn=A|B, C\n");
}

static void encodings(void **state)
{
	(void)state;
	drop("a.csv", "\xef\xbb\xbfid,mail,alias,name\r\na,a@x.example,,M\xc3\xbcller\r\n");
	expect("csv", SOURCE_COMPLETE, "a a.csv:2 a@x.example cn=M\xc3\xbcller\n");
	drop("a.csv", "id,mail,alias,name\na,a@x.example,,A\nb,b@x.example,,M\xfcller\n");
	expect("csv", SOURCE_INCOMPLETE,
		"a.csv:3: column 4, name is not UTF-8; write the file in UTF-8");
	drop_bytes("a.csv", "\xff\xfei\0d\0", 6);
	expect("csv", SOURCE_INCOMPLETE, "a.csv:1: this is UTF-16; write it in UTF-8");
	drop("a.ldif", "dn: a\nid: a\nmail: a@x.example\nname: M\xfcller\n\n");
	expect("ldif", SOURCE_INCOMPLETE,
		"a.ldif:4: this is not UTF-8; write the file in UTF-8 or the value in base64: "
		"\"name: M?ller\"");
}

/* One that is wrong does not spoil the others. */
static void entries(void **state)
{
	struct source *source = open_source("csv");
	struct source_request request = { .mark = "" };
	struct source_result result;
	struct heard heard = { .text = STR_INIT };

	(void)state;
	drop("a.csv", "id,mail,alias,name\n,a@x.example,,A\nb,nonsense,b@x.example,\nc,,,C\n");
	assert_int_equal(pull_as(source, &request, &heard, &result), SOURCE_COMPLETE);
	assert_non_null(strstr(heard.text.data, "- a.csv:2 id: no value"));
	assert_non_null(strstr(heard.text.data, "-b a.csv:3 mail: "));
	assert_non_null(strstr(heard.text.data, "\nb a.csv:3 b@x.example\n"));
	assert_non_null(strstr(heard.text.data, "-c a.csv:4 addresses: "));
	assert_int_equal(result.persons, 1);
	assert_int_equal(result.refused, 3);
	source_result_free(&result);
	str_free(&heard.text);
	source_kind_find("csv")->close(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOURCE_TEST(names),
		SOURCE_TEST(the_last_one_counts),
		SOURCE_TEST(each_once),
		SOURCE_TEST(requests),
		SOURCE_TEST(strangers),
		SOURCE_TEST(no_folder),
		SOURCE_TEST(truncated),
		SOURCE_TEST(failed_files),
		SOURCE_TEST(written_in_place),
		SOURCE_TEST(stopped),
		SOURCE_TEST(columns),
		SOURCE_TEST(encodings),
		SOURCE_TEST(entries),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
