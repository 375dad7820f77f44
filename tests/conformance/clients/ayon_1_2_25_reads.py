"""Every method of ayon-python-api 1.2.25 that reads: see `ayon_1_2_25.py`, which this stands beside."""

import sys
import uuid
from pathlib import Path

from ayon_1_2_25 import PROJECT, URL, facts, name, new_version, picture
from ayon_api import ServerAPI

# Methods that read what this server has no place for: addons, bundles, settings, jobs, teams. They get its 404.
ABSENT = """
    get_access_group get_access_group_schema get_access_groups get_action_config get_actions get_activity_categories
    get_addon_overrides get_addon_project_overrides get_addon_project_raw_overrides get_addon_project_settings
    get_addon_raw_overrides get_addon_settings get_addon_settings_schema get_addon_site_settings
    get_addon_site_settings_schema get_addon_studio_overrides get_addon_studio_raw_overrides get_addon_studio_settings
    get_addons_info get_addons_project_settings get_addons_settings get_addons_studio_settings get_anatomy_schema
    get_bundle_settings get_bundles get_dependency_packages get_entity_groups get_entity_list_attribute_definitions
    get_entity_list_folders get_entity_list_folders_raw get_entity_watchers get_enum get_hosts get_installers
    get_project_bundle get_project_folders get_project_users get_raw_activity_categories get_raw_entity_watchers
    get_raw_project_folders get_restart_required get_secret get_secrets get_server_config get_server_config_overrides
    get_server_config_schema get_server_config_value get_services get_teams get_user_permissions get_user_sessions
""".split()  # noqa: SIM905
# Methods for newer servers, and those that ask nobody.
ELSEWHERE = """
    get_enums get_reviewables get_addon_endpoint get_addon_url get_base_url get_cert get_client_version
    get_default_max_retries get_default_service_username get_default_settings_variant get_default_timeout
    get_event_hub get_max_retries get_rest_url get_sender get_sender_type get_site_id get_ssl_verify get_timeout
    get_websocket_url get_full_link_type_name get_headers get_background_operations_status get_workfile_thumbnail
""".split()  # noqa: SIM905


def reads(api):
    """Every other method of the client that reads, with what it is given here."""
    where = name()
    folder, product, versions = new_version(api, 2, where)
    version = versions[0]
    hero = api.create_version(PROJECT, -2, product)
    task = api.create_task(PROJECT, "model", "Modeling", folder)
    files = [{"id": uuid.uuid4().hex, "name": "a.abc", "path": "{root[work]}/a.abc"}]
    shown = api.create_representation(PROJECT, "abc", version, files=files, data={"context": {"ext": "abc"}})
    path = "{root[work]}/" + where + ".ma"
    workfile = api.create_workfile_entity(PROJECT, path, task)
    entities = api.create_entity_list(PROJECT, "version", where, items=[{"entityId": version}])
    activity = api.create_activity(PROJECT, folder, "folder", "comment", body="x")
    api.create_link(PROJECT, "reference", version, "version", versions[1], "version")
    Path("a.bin").write_bytes(b"x")
    file = api.upload_project_file(PROJECT, "a.bin", content_type="text/plain").json()["id"]
    event = next(api.get_events(limit=1))["id"]
    here, user, top = {"version": version}, facts["user"], f"/{where}"
    table = {
        "activities": [()], "activity_by_id": [(activity,)], "entities_links": [("version", versions)],
        "entity_list_by_id": [(entities,)], "entity_list_entities": [(entities,)], "entity_list_rest": [(entities,)],
        "entity_lists": [()], "folder_by_id": [(folder,)], "folder_by_name": [(where,)], "folder_by_path": [(top,)],
        "folder_ids_with_products": [()], "folder_links": [(folder,)], "folder_reviewables": [(folder,)],
        "folder_thumbnail": [(folder,)], "folders": [()], "folders_hierarchy": [()], "folders_links": [()],
        "folders_rest": [(), (True,)], "hero_version_by_id": [(hero,)], "hero_version_by_product_id": [(product,)],
        "hero_versions": [()], "last_version_by_product_id": [(product,)],
        "last_version_by_product_name": [("modelMain", folder)], "last_versions": [([product],)],
        "link_type": [("reference", "version", "version")], "link_types": [()], "product_by_id": [(product,)],
        "product_by_name": [("modelMain", folder)], "product_links": [(product,)], "product_reviewables": [(product,)],
        "product_type_names": [()], "products": [()], "products_links": [()], "project": [()], "project_anatomy": [()],
        "project_entity_uris": [("version", versions)], "project_file_info": [(file,)], "project_product_types": [()],
        "project_root_overrides": [()], "project_root_overrides_by_site_id": [("here",)],
        "project_roots_by_platform": [("linux",)], "project_roots_by_site": [()],
        "project_roots_by_site_id": [(api.site_id or "here",)], "project_roots_for_site": [("here",)],
        "project_stats": [()], "project_tags": [()], "project_thumbnail": [()],
        "repre_ids_by_context_filters": [({"ext": ["abc"]},)], "representation_by_id": [(shown,)],
        "representation_by_name": [("abc", version)], "representation_hierarchy": [(shown,)],
        "representation_links": [(shown,)], "representation_parents": [(shown,)], "representations": [()],
        "representations_hierarchy": [([shown],)], "representations_links": [()],
        "representations_parents": [([shown],)], "rest_entity_by_id": list(here.items()), "rest_folder": [(folder,)],
        "rest_folders": [()], "rest_product": [(product,)], "rest_project": [()], "rest_representation": [(shown,)],
        "rest_task": [(task,)], "rest_version": [(version,)], "task_by_folder_path": [(top, "model")],
        "task_by_id": [(task,)], "task_by_name": [(folder, "model")], "task_links": [(task,)],
        "task_reviewables": [(task,)], "task_thumbnail": [(task,)], "tasks": [()], "tasks_by_folder_path": [(top,)],
        "tasks_by_folder_paths": [([top],)], "tasks_links": [()], "thumbnail": [("version", version)],
        "thumbnail_by_id": [(api.create_thumbnail(PROJECT, picture()),)], "version_by_id": [(version,)],
        "version_by_name": [(1, product)], "version_links": [(version,)], "version_reviewables": [(version,)],
        "version_thumbnail": [(version,)], "versions": [()], "versions_links": [()], "workfile_entities": [()],
        "workfile_entity": [(task, path)], "workfile_entity_by_id": [(workfile,)], "workfile_info": [(task, path)],
        "workfile_info_by_id": [(workfile,)], "workfiles_info": [()],
    }  # fmt: skip
    of_project = {f"get_{key}": [(PROJECT, *given) for given in calls] for key, calls in table.items()}
    return of_project | {
        "get_attributes_fields_for_type": [("task",)], "get_attributes_for_type": [("folder",)],
        "get_attributes_schema": [()], "get_build_in_anatomy_preset": [()], "get_built_in_anatomy_preset": [()],
        "get_default_anatomy_preset_name": [()], "get_default_fields_for_type": [("folder",), ("event",), ("user",)],
        "get_event": [(event,)], "get_events": [()], "get_graphql_schema": [()], "get_info": [()],
        "get_product_types": [()], "get_project_anatomy_preset": [()], "get_project_anatomy_presets": [()],
        "get_project_names": [()], "get_projects": [()], "get_rest_projects": [()], "get_rest_projects_list": [()],
        "get_schemas": [()], "get_server_schema": [()], "get_server_version": [()], "get_server_version_tuple": [()],
        "get_sites": [()], "get_user": [()], "get_user_api_keys": [(user,)],
        "get_user_by_name": [(facts["artist"]["name"], PROJECT)], "get_users": [()], "resolve_uris": [(["ayon://demo"],)],
        "search_folders": [(PROJECT, where)], "version_is_latest": [(PROJECT, version)],
        "validate_server_availability": [()], "validate_token": [()],
    }  # fmt: skip


def check_every_method_that_reads():
    """None fails by a field or a route that is not there."""
    site = "walker"
    api = ServerAPI(URL, token=facts["credential"], site_id=site, client_version="1.2.25")
    api.get_info()  # which is how a site becomes known
    known = reads(api)
    methods = {n for n in dir(ServerAPI) if n.startswith("get_")}
    assert methods == (methods & known.keys()) | set(ABSENT) | set(ELSEWHERE), methods - known.keys()
    for method, calls in known.items():
        for given in calls:
            found = getattr(api, method)(*given)
            if hasattr(found, "__next__"):
                list(found)
    empty = ["folder_by_id", "event", "representation_hierarchy", "version_by_name", "hero_version_by_id", "user"]
    for method in (f"get_{one}" for one in empty):
        assert getattr(api, method)(*known[method][0]), method


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
