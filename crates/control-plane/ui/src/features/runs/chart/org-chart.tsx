// The org chart as a graph: roles, their agents, who reports to whom, and what is on its way between them.

import { Background, type Edge, Handle, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { ChartRole } from "../../../api/types";
import { Failed, Loading } from "../../../ui/states";
import type { MemberMoment, Moment } from "../moment";
import { ROLE, USER, layOut, linesOf } from "./layout";
import "./chart.css";

interface RoleData extends Record<string, unknown> {
  role: ChartRole | undefined;
  members: MemberMoment[];
  asks: number;
}
type RoleNode = Node<RoleData, "role">;

/** Without a moment it is the plan alone. */
export function OrgChart({ roles, moment }: { roles: readonly ChartRole[]; moment?: Moment | undefined }) {
  const key = roles.map(({ name, reportsTo }) => `${name}>${reportsTo ?? ""}`).join(" ");
  const { data: places, error } = useQuery({ queryKey: ["layout", key], queryFn: () => layOut(roles), structuralSharing: false });
  const nodes = useMemo(() => nodesOf(places ?? [], roles, moment), [places, roles, moment]);
  const edges = useMemo(() => edgesOf(roles, moment), [roles, moment]);
  if (error) return <Failed error={error} />;
  if (!places) return <Loading what="the chart" />;
  return (
    <div className="chart" role="region" aria-label="Org chart">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        fitView
        fitViewOptions={{ padding: 0.05, maxZoom: 1 }}
        minZoom={0.15}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        preventScrolling={false}
        zoomOnScroll={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={22} size={1} />
      </ReactFlow>
      <ChartAsText roles={roles} moment={moment} />
    </div>
  );
}

const TYPES = { role: RoleCard };

function RoleCard({ data, id }: NodeProps<RoleNode>) {
  const { role, members, asks } = data;
  const present = members.filter((member) => member.present);
  const works = present.some(({ worksOn }) => worksOn !== undefined);
  return (
    <div className={`role ${id === USER ? "is-user" : ""} ${works ? "works" : ""} ${asks > 0 ? "asks" : ""}`}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <span className="role-head">
        <strong>{id === USER ? "You" : id}</strong>
        {role && role.most > 1 && <span className="muted">up to {role.most}</span>}
      </span>
      <span className="muted">{role ? role.types.join(" or ") || "running agents" : "answers and approves"}</span>
      <span className="role-agents">
        {members.map((member) => (
          <Link key={member.id} to="/agents/$id" params={{ id: member.id }} className={`role-agent ${member.present ? "" : "gone"} ${member.worksOn !== undefined ? "works" : ""}`} title={`${member.role} ${member.number}: ${member.present ? (member.worksOn === undefined ? "waits" : `works on step ${member.worksOn}`) : "gone"}`}>
            {member.number}
          </Link>
        ))}
        {asks > 0 && <span className="needs">{asks === 1 ? "a question" : `${asks} questions`}</span>}
      </span>
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
}

function nodesOf(places: readonly { name: string; x: number; y: number }[], roles: readonly ChartRole[], moment: Moment | undefined): RoleNode[] {
  return places.map(({ name, x, y }) => ({
    id: name,
    type: "role",
    position: { x, y },
    ...ROLE,
    data: {
      role: roles.find((role) => role.name === name),
      members: moment?.members.filter((member) => member.role === name) ?? [],
      asks: moment?.questions.filter(({ to }) => to.includes(name)).length ?? 0,
    },
  }));
}

/** Who reports to whom, and over it what is on its way. */
function edgesOf(roles: readonly ChartRole[], moment: Moment | undefined): Edge[] {
  const busy = new Map<string, string>();
  for (const { kind, to, from } of moment?.flows ?? []) {
    // What the run itself sends comes along the line from above.
    busy.set(from === "run" ? to : from, kind);
    if (kind === "question") busy.set(from, kind);
  }
  for (const { role } of moment?.questions ?? []) if (role) busy.set(role, "question");
  return linesOf(roles).map(({ from, to }) => {
    const kind = busy.get(from);
    return { id: `${from}>${to}`, source: to, target: from, type: "smoothstep", pathOptions: { offset: 8, borderRadius: 6 }, animated: kind !== undefined, className: kind === undefined ? "" : `is-${kind}`, ...(kind === undefined ? {} : { label: kind === "question" ? "asks" : kind }) };
  });
}

/** The same for who does not see it. */
function ChartAsText({ roles, moment }: { roles: readonly ChartRole[]; moment: Moment | undefined }) {
  return (
    <ul className="only-read">
      {roles.map(({ name, reportsTo }) => {
        const members = moment?.members.filter((member) => member.role === name && member.present) ?? [];
        return (
          <li key={name}>
            {name} reports to {reportsTo ?? "you"}
            {moment && `, ${members.length} agents, ${members.filter(({ worksOn }) => worksOn !== undefined).length} at work`}
          </li>
        );
      })}
    </ul>
  );
}
