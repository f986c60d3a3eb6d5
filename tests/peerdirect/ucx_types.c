// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Prints the memory types that UCX would register with RDMA devices:
 *   cc ucx_types.c -luct -lucs
 */
#include <stdio.h>
#include <string.h>

#include <ucs/memory/memory_type.h>
#include <uct/api/uct.h>

static void print_types(uct_component_h component, const char *name)
{
	uct_md_config_t *config;
	uct_md_attr_t attr;
	uct_md_h md;
	int type;

	if (uct_md_config_read(component, NULL, NULL, &config) != UCS_OK)
		return;
	if (uct_md_open(component, name, config, &md) == UCS_OK) {
		if (uct_md_query(md, &attr) == UCS_OK)
			for (type = 0; type < UCS_MEMORY_TYPE_LAST; type++)
				if (attr.cap.reg_mem_types & (1UL << type))
					printf("%s\n",
					       ucs_memory_type_names[type]);
		uct_md_close(md);
	}
	uct_config_release(config);
}

static void query_devices(uct_component_h component)
{
	uct_md_resource_desc_t devices[16];
	uct_component_attr_t attr = {
		.field_mask = UCT_COMPONENT_ATTR_FIELD_NAME |
			      UCT_COMPONENT_ATTR_FIELD_MD_RESOURCE_COUNT,
	};
	unsigned int i;

	if (uct_component_query(component, &attr) != UCS_OK ||
	    strcmp(attr.name, "ib") || attr.md_resource_count > 16)
		return;
	attr.field_mask = UCT_COMPONENT_ATTR_FIELD_MD_RESOURCES;
	attr.md_resources = devices;
	if (uct_component_query(component, &attr) != UCS_OK)
		return;
	for (i = 0; i < attr.md_resource_count; i++)
		print_types(component, devices[i].md_name);
}

int main(void)
{
	uct_component_h *components;
	unsigned int i, n;

	if (uct_query_components(&components, &n) != UCS_OK)
		return 1;
	for (i = 0; i < n; i++)
		query_devices(components[i]);
	uct_release_component_list(components);
	return 0;
}
