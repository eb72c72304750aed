/** What labelled queries are made of: each thing with the words people have for it, the plain one first. */

export type Wordings = readonly string[];

export interface Role {
  names: Wordings;
  skills: readonly Wordings[];
}

export const roles: readonly Role[] = [
  {
    names: [
      "forklift operator",
      "fork lift driver",
      "lift truck operator",
      "forklift certified warehouse hand",
    ],
    skills: [
      ["reach truck", "narrow aisle truck", "reach-truck driving"],
      ["OSHA-10", "OSHA 10 hour card", "ten hour OSHA safety course"],
      ["cold storage", "freezer warehouse", "working in freezers"],
      ["loading trailers", "trailer loading and unloading", "dock loading"],
    ],
  },
  {
    names: ["registered nurse", "RN", "staff nurse"],
    skills: [
      ["intensive care", "ICU", "critical care"],
      ["advanced life support", "ACLS", "ACLS certified"],
      ["wound care", "dressing wounds"],
      ["dementia care", "memory care", "care of patients with dementia"],
    ],
  },
  {
    names: ["welder", "welding specialist", "metal fabricator"],
    skills: [
      ["TIG welding", "GTAW", "tungsten inert gas"],
      ["pipe fabrication", "pipe fitting", "fabricating pipes"],
      ["structural steel", "steel structures", "AWS D1.1"],
      ["blueprint reading", "reads drawings", "reading blueprints"],
    ],
  },
  {
    names: ["truck driver", "CDL driver", "class A driver", "long haul trucker"],
    skills: [
      ["hazardous materials", "hazmat endorsement", "HAZMAT"],
      ["tanker", "tank trucks", "liquid tanker"],
      ["refrigerated loads", "reefer", "refrigerated trailers"],
      ["load securement", "securing loads", "chains and binders"],
    ],
  },
  {
    names: ["electrician", "journeyman electrician", "electrical technician"],
    skills: [
      ["control panels", "panel wiring", "wiring control cabinets"],
      ["PLC troubleshooting", "programmable controllers", "PLC fault finding"],
      ["conduit bending", "bending conduit", "EMT conduit"],
      ["solar installation", "photovoltaics", "PV installs"],
    ],
  },
  {
    names: ["accounts payable clerk", "AP clerk", "invoice clerk"],
    skills: [
      ["month-end close", "closing the month", "month end closing"],
      ["QuickBooks", "Quick Books Online", "QBO"],
      ["three-way matching", "matching invoices to orders", "3-way invoice match"],
      ["vendor disputes", "supplier complaints", "resolving vendor disputes"],
    ],
  },
  {
    names: ["line cook", "kitchen cook", "cook"],
    skills: [
      ["food safety", "ServSafe", "ServSafe certified"],
      ["grill station", "grilling", "works the grill"],
      ["pastry", "baking", "desserts and pastry"],
      ["banquets", "catering events", "banquet cooking"],
    ],
  },
  {
    names: ["CNC machinist", "mill operator", "machinist"],
    skills: [
      ["five-axis milling", "5-axis mill", "five axis machines"],
      ["G-code", "CNC programming", "writing G code"],
      ["quality inspection", "CMM", "measuring with CMM"],
      ["Fanuc controls", "Fanuc", "Haas and Fanuc controls"],
    ],
  },
  {
    names: ["customer service representative", "CSR", "call center agent"],
    skills: [
      ["Spanish", "bilingual Spanish", "speaks Spanish"],
      ["order entry", "entering orders", "data entry of orders"],
      ["complaint handling", "handling complaints", "de-escalation of complaints"],
      ["Salesforce", "SFDC", "Salesforce CRM"],
    ],
  },
  {
    names: ["carpenter", "framer", "framing carpenter"],
    skills: [
      ["concrete forms", "formwork", "concrete formwork"],
      ["cabinets", "cabinet making", "built-in cabinets"],
      ["roof trusses", "setting trusses", "truss setting"],
      ["scaffolding", "scaffold user", "erecting scaffolds"],
    ],
  },
];

export const cities: readonly Wordings[] = [
  ["Chicago", "Chicago, IL", "Chicagoland"],
  ["Saint Louis", "St. Louis", "STL"],
  ["Los Angeles", "LA", "Los Angeles, California"],
  ["New York", "NYC", "New York City"],
  ["Dallas", "Dallas, TX", "Dallas-Fort Worth"],
  ["Philadelphia", "Philly", "Philadelphia, PA"],
  ["Atlanta", "ATL", "Atlanta, Georgia"],
  ["Minneapolis", "Twin Cities", "Minneapolis, MN"],
];

export const shifts: readonly Wordings[] = [
  ["day shift", "days", "first shift"],
  ["night shift", "nights", "third shift", "overnight"],
  ["weekends", "weekend shift", "Saturday and Sunday"],
  ["evenings", "second shift", "swing shift"],
];
