#include "cli/cli.h"
#include "lib/descriptors.h"

int main(int argc, char **argv)
{
	descriptors_guard();
	return cli_main(argc, argv);
}
