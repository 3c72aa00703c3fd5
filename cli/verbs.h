/* The verbs of `restante`, a function each; the table that names them is cli/verbs.c. */
#ifndef RESTANTE_CLI_VERBS_H
#define RESTANTE_CLI_VERBS_H

#include "cli/cli.h"

int verb_route(struct cli *cli, int argc, char **argv);
int verb_hold(struct cli *cli, int argc, char **argv);
int verb_unhold(struct cli *cli, int argc, char **argv);
int verb_swap(struct cli *cli, int argc, char **argv);
int verb_queue_list(struct cli *cli, int argc, char **argv);
int verb_queue_show(struct cli *cli, int argc, char **argv);
int verb_queue_cat(struct cli *cli, int argc, char **argv);
int verb_queue_release(struct cli *cli, int argc, char **argv);
int verb_queue_delete(struct cli *cli, int argc, char **argv);
int verb_queue_bounce(struct cli *cli, int argc, char **argv);
int verb_queue_redirect(struct cli *cli, int argc, char **argv);
int verb_queue_stats(struct cli *cli, int argc, char **argv);
int verb_node_list(struct cli *cli, int argc, char **argv);
int verb_node_enable(struct cli *cli, int argc, char **argv);
int verb_node_disable(struct cli *cli, int argc, char **argv);
int verb_node_approve(struct cli *cli, int argc, char **argv);
int verb_sync_run(struct cli *cli, int argc, char **argv);
int verb_sync_status(struct cli *cli, int argc, char **argv);
int verb_sync_diff(struct cli *cli, int argc, char **argv);
int verb_sync_conflicts(struct cli *cli, int argc, char **argv);
int verb_sync_approve(struct cli *cli, int argc, char **argv);
int verb_sync_assign(struct cli *cli, int argc, char **argv);
int verb_sync_adopt(struct cli *cli, int argc, char **argv);
int verb_move_add(struct cli *cli, int argc, char **argv);
int verb_move_import(struct cli *cli, int argc, char **argv);
int verb_move_list(struct cli *cli, int argc, char **argv);
int verb_move_show(struct cli *cli, int argc, char **argv);
int verb_move_watch(struct cli *cli, int argc, char **argv);
int verb_move_report(struct cli *cli, int argc, char **argv);
int verb_move_pause(struct cli *cli, int argc, char **argv);
int verb_move_resume(struct cli *cli, int argc, char **argv);
int verb_move_retry(struct cli *cli, int argc, char **argv);
int verb_move_cancel(struct cli *cli, int argc, char **argv);
int verb_move_rollback(struct cli *cli, int argc, char **argv);
int verb_doctor(struct cli *cli, int argc, char **argv);
int verb_trace(struct cli *cli, int argc, char **argv);
int verb_status(struct cli *cli, int argc, char **argv);

#endif
