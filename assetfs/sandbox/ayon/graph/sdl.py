"""The schema, as far as the official client and file systems need it, in the schema definition language."""

from __future__ import annotations

from assetfs.sandbox.ayon.attributes import scoped

PAGING = "first: Int, after: String, last: Int, before: String"
_TYPES = {"string": "String", "integer": "Int", "float": "Float", "boolean": "Boolean", "datetime": "DateTime"}
_TYPES |= {"list_of_strings": "[String!]"}

COMMON_ARGUMENTS = (
    "ids: [String!], statuses: [String!], tags: [String!], search: String, filter: String, sortBy: String"
)
ARGUMENTS = {
    "folder": "parentId: String, parentIds: [String!], includeFolderChildren: Boolean, paths: [String!],"
    " pathEx: String, name: String, names: [String!], folderTypes: [String!], assignees: [String!],"
    " hasChildren: Boolean, hasProducts: Boolean, hasTasks: Boolean, hasLinks: HasLinksFilter, taskFilter: String,"
    " attributes: [AttributeFilterInput!]",
    "task": "folderIds: [String!], includeFolderChildren: Boolean, names: [String!], taskTypes: [String!],"
    " assignees: [String!], assigneesAny: [String!], tagsAny: [String!], hasLinks: HasLinksFilter,"
    " folderFilter: String",
    "product": "folderIds: [String!], includeFolderChildren: Boolean, names: [String!], namesCi: [String!],"
    " nameEx: String, pathEx: String, productTypes: [String!], productBaseTypes: [String!], hasLinks: HasLinksFilter,"
    " versionFilter: String, taskFilter: String",
    "version": "productIds: [String!], folderIds: [String!], includeFolderChildren: Boolean, taskIds: [String!],"
    " version: Int, versions: [Int!], authors: [String!], latestOnly: Boolean, heroOnly: Boolean,"
    " heroOrLatestOnly: Boolean, featuredOnly: [String!], hasReviewables: Boolean, hasLinks: HasLinksFilter,"
    " productFilter: String, taskFilter: String",
    "representation": "versionIds: [String!], names: [String!], hasLinks: HasLinksFilter",
    "workfile": "taskIds: [String!], paths: [String!], pathEx: String, hasLinks: HasLinksFilter",
}
ACTIVITY_ARGUMENTS = (
    "entityType: String, entityIds: [String!], entityNames: [String!], activityTypes: [String!],"
    " referenceTypes: [String!], activityIds: [String!], tags: [String!], categories: [String!], authors: [String!],"
    f" changedBefore: String, changedAfter: String, filter: String, {PAGING}"
)
LINK_ARGUMENTS = f"direction: String, linkTypes: [String!], names: [String!], nameEx: String, {PAGING}"

# What a node has whatever it is, so that it can be asked of what a link leads to.
_BASE = f"""
  id: String!  name: String!  active: Boolean!  allAttrib: String!  projectName: String!  parents: [String!]!
  createdAt: DateTime!  updatedAt: DateTime!  createdBy: String  updatedBy: String
  links({LINK_ARGUMENTS}): LinksConnection!  activities({ACTIVITY_ARGUMENTS}): ActivitiesConnection!
"""
_NODE = f"{_BASE}  status: String!  tags: [String!]!  data: String  path: String"
_PICTURE = "thumbnailId: String  thumbnailHash: String!  thumbnail: ThumbnailInfo"
_OWN = {
    "folder": f"""label: String  folderType: String!  parentId: String  {_PICTURE}  ownAttrib: [String!]!
      hasChildren: Boolean!  hasTasks: Boolean!  hasProducts: Boolean!  hasVersions: Boolean!  hasReviewables: Boolean!
      childCount: Int!  taskCount: Int!  productCount: Int!  parent: FolderNode
      tasks({COMMON_ARGUMENTS}, {ARGUMENTS["task"]}, {PAGING}): TasksConnection!
      products({COMMON_ARGUMENTS}, {ARGUMENTS["product"]}, {PAGING}): ProductsConnection!""",
    "task": f"""label: String  taskType: String!  folderId: String!  assignees: [String!]!  {_PICTURE}
      ownAttrib: [String!]!  hasReviewables: Boolean!  subtasks: [SubTaskNode!]!  folder: FolderNode!
      versions({COMMON_ARGUMENTS}, {ARGUMENTS["version"]}, {PAGING}): VersionsConnection!
      workfiles({COMMON_ARGUMENTS}, {ARGUMENTS["workfile"]}, {PAGING}): WorkfilesConnection!""",
    "product": f"""productType: String!  productBaseType: String  folderId: String!
      versionList: [VersionListItem!]!  latestVersion: VersionNode  featuredVersion(order: [String!]): VersionNode
      folder: FolderNode!
      versions({COMMON_ARGUMENTS}, {ARGUMENTS["version"]}, {PAGING}): VersionsConnection!""",
    "version": f"""version: Int!  productId: String!  taskId: String  author: String  {_PICTURE}
      heroVersionId: String  isLatest: Boolean!  isLatestDone: Boolean!  hasReviewables: Boolean!
      featuredVersionType: String  product: ProductNode!  task: TaskNode
      representations({COMMON_ARGUMENTS}, {ARGUMENTS["representation"]}, {PAGING}): RepresentationsConnection!""",
    "representation": """versionId: String!  context: String  traits: String  fileCount: Int!  files: [FileNode!]!
      version: VersionNode!""",
    "workfile": f"taskId: String  {_PICTURE}  task: TaskNode",
}
TITLES = {kind: kind.capitalize() for kind in _OWN}


def _connection(title: str, plural: str) -> str:
    return f"""
type {title}Edge {{ node: {title}Node!  cursor: String }}
type {plural}Connection {{ edges: [{title}Edge!]!  pageInfo: PageInfo! }}
"""


def _entity(kind: str) -> str:
    title = TITLES[kind]
    fields = "  ".join(f"{attribute.name}: {_TYPES[attribute.type]}" for attribute in scoped(kind))
    return f"""
type {title}AttribType {{ {fields} }}
type {title}Node implements BaseNode {{ {_NODE} attrib: {title}AttribType! {_OWN[kind]} }}
{_connection(title, title + "s")}"""


def _root(kind: str) -> str:
    title = TITLES[kind]
    return f"""
  {kind}(id: String!): {title}Node
  {kind}s({COMMON_ARGUMENTS}, {ARGUMENTS[kind]}, {PAGING}): {title}sConnection!"""


SDL = f"""
scalar DateTime
input AttributeFilterInput {{ name: String!  values: [String!]! }}
enum HasLinksFilter {{ NONE IN OUT ANY BOTH }}
type PageInfo {{ hasNextPage: Boolean!  hasPreviousPage: Boolean!  startCursor: String  endCursor: String }}
type ThumbnailInfo {{ id: String!  sourceEntityType: String  sourceEntityId: String  relation: String }}
type SubTaskNode {{ id: String!  name: String!  label: String }}
type VersionListItem {{ id: String!  version: Int!  name: String! }}
type FileNode {{ id: String!  name: String!  path: String!  hash: String  size: String!  hashType: String! }}
type ActivityFileNode {{ id: String!  name: String  size: String!  mime: String  author: String
  createdAt: DateTime!  updatedAt: DateTime! }}
type ActivityOrigin {{ id: String!  type: String!  subtype: String  name: String!  label: String  link: String! }}
type ActivityReaction {{ userName: String!  fullName: String  reaction: String!  timestamp: DateTime! }}
type ActivityNode {{ projectName: String!  activityId: String!  activityType: String!  referenceId: String!
  referenceType: String!  entityType: String!  entityId: String  entityName: String  entityPath: String
  body: String!  tags: [String!]!  activityData: String!  referenceData: String!  author: UserNode  assignee: UserNode
  origin: ActivityOrigin  parents: [ActivityOrigin!]!  reactions: [ActivityReaction!]!  read: Boolean!
  active: Boolean!  creationOrder: Int!  createdAt: DateTime!  updatedAt: DateTime!  files: [ActivityFileNode!]! }}
{_connection("Activity", "Activities")}
interface BaseNode {{ {_BASE} }}
type LinkEdge {{ id: String!  direction: String!  linkType: String!  entityType: String!  entityId: String!
  name: String  author: String  description: String!  data: String  cursor: String  projectName: String!
  node: BaseNode }}
type LinksConnection {{ edges: [LinkEdge!]!  pageInfo: PageInfo! }}
type AccessGroup {{ name: String! }}
type UserAttribType {{ {"  ".join(f"{a.name}: {_TYPES[a.type]}" for a in scoped("user"))} }}
type UserNode {{ name: String!  attrib: UserAttribType!  allAttrib: String!  active: Boolean!  isAdmin: Boolean!
  isManager: Boolean!  isService: Boolean!  isGuest: Boolean!  isDeveloper: Boolean!  hasPassword: Boolean!
  apiKeyPreview: String  accessGroups: String!  defaultAccessGroups: [String!]!  createdAt: DateTime!
  updatedAt: DateTime! }}
{_connection("User", "Users")}
type EventNode {{ id: String!  hash: String!  topic: String!  project: String  user: String  sender: String
  senderType: String  dependsOn: String  status: String!  description: String!  summary: String!  payload: String
  retries: Int!  progress: Float  createdAt: DateTime!  updatedAt: DateTime!  data: String }}
{_connection("Event", "Events")}
type EntityListItemEdge {{ id: String!  entityId: String!  entityType: String!  position: Int!  folderPath: String
  projectName: String!  tags: [String!]!  data: String!  attrib: String!  allAttrib: String!  ownAttrib: [String!]!
  createdBy: String  updatedBy: String  createdAt: DateTime!  updatedAt: DateTime!  cursor: String  node: BaseNode }}
type EntityListItemsConnection {{ edges: [EntityListItemEdge!]!  pageInfo: PageInfo! }}
type EntityListNode {{ projectName: String!  id: String!  label: String!  entityType: String!  entityListType: String!
  count: Int!  active: Boolean!  owner: String  tags: [String!]!  data: String!  attributes: String!  allAttrib: String!
  entityListFolderId: String  access: String!  accessLevel: Int!  createdAt: DateTime!  updatedAt: DateTime!
  createdBy: String  updatedBy: String
  items({PAGING}, sortBy: String, accessibleOnly: Boolean, filter: String): EntityListItemsConnection! }}
{_connection("EntityList", "EntityLists")}
type FolderType {{ name: String!  shortName: String  color: String  icon: String }}
type TaskType {{ name: String!  shortName: String  color: String  icon: String }}
type ProductType {{ name: String!  color: String  icon: String }}
type ProductBaseType {{ name: String! }}
type ProjectBundleType {{ production: String  staging: String }}
type Status {{ name: String!  shortName: String  state: String  color: String  icon: String  scope: [String!] }}
type Tag {{ name: String!  color: String }}
type LinkType {{ name: String!  linkType: String!  inputType: String!  outputType: String!  color: String
  style: String  data: String }}
type ProjectAttribType {{ {"  ".join(f"{a.name}: {_TYPES[a.type]}" for a in scoped("project"))} }}
type ProjectNode {{
  name: String!  projectName: String!  code: String!  label: String  active: Boolean!  library: Boolean!
  data: String  attrib: ProjectAttribType!  allAttrib: String!  ownAttrib: [String!]!  config: String
  folderTypes(activeOnly: Boolean): [FolderType!]!  taskTypes(activeOnly: Boolean): [TaskType!]!
  linkTypes(activeOnly: Boolean): [LinkType!]!  statuses: [Status!]!  tags: [Tag!]!
  productTypes: [ProductType!]!  productBaseTypes: [ProductBaseType!]!  usedTags: [String!]!
  bundle: ProjectBundleType!  thumbnail: ThumbnailInfo  createdAt: DateTime!  updatedAt: DateTime!
  activities({ACTIVITY_ARGUMENTS}): ActivitiesConnection!
  entityList(id: String!): EntityListNode
  entityLists(ids: [String!], {PAGING}): EntityListsConnection!
  {"".join(_root(kind) for kind in _OWN)}
}}
{_connection("Project", "Projects")}
type Query {{
  project(name: String, code: String): ProjectNode!
  projects(name: String, code: String, includeSkeleton: Boolean, {PAGING}): ProjectsConnection!
  users(names: [String!], emails: [String!], projectName: String, {PAGING}): UsersConnection!
  user(name: String!): UserNode
  me: UserNode!
  inbox(showActiveProjectsOnly: Boolean, showActiveMessages: Boolean, showUnreadMessages: Boolean,
    showImportantMessages: Boolean, {PAGING}): ActivitiesConnection!
  productTypes: [ProductType!]!
  events(ids: [String!], topics: [String!], projects: [String!], users: [String!], statuses: [String!],
    states: [String!], newerThan: String, olderThan: String, hasChildren: Boolean, includeLogs: Boolean,
    filter: String, {PAGING}): EventsConnection!
}}
""" + "".join(_entity(kind) for kind in _OWN)
