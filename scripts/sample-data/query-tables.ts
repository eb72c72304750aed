/** What labelled queries are made of: each thing with the words people have for it, the plain one first. */

export type Wordings = readonly string[];

interface Role {
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

/** Where people worked: names that stand for themselves. */
export const employers: readonly Wordings[] = [
  ["Kestrel Foods", "Kestrel"],
  ["Norbrook Steel", "Norbrook"],
  ["Halvorsen Freight", "Halvorsen"],
  ["Ardmore General", "Ardmore General Hospital"],
  ["Tessellate Labs", "Tessellate"],
  ["Quillfeather Hotels", "Quillfeather"],
  ["Bramwell & Oates", "Bramwell and Oates"],
  ["Ostrander Cold Chain", "Ostrander"],
  ["Vantor Aerospace", "Vantor"],
  ["Pellucid Water", "Pellucid"],
  ["Dunmore Logistics", "Dunmore"],
  ["Cassowary Build", "Cassowary"],
  ["Ivarson Mills", "Ivarson"],
  ["Lumen Ridge", "Lumen Ridge Energy"],
  ["Marchetti Kitchens", "Marchetti"],
  ["Obsidian Parcel", "Obsidian"],
  ["Rookwood Schools", "Rookwood"],
  ["Saltmarsh Clinics", "Saltmarsh"],
  ["Thornbury Rail", "Thornbury"],
  ["Wexcombe Dairy", "Wexcombe"],
];

/** What recruiters note beside: it tells of everybody, and names things that are not what the person does now. */
export const remarks: readonly string[] = [
  "Reliable and on time, asks good questions, and the last two supervisors would take them back.",
  "Started as a cook, then as a driver, before changing trade; not interested in going back.",
  "Moved here from Dallas with the family and will not relocate again.",
  "Has a brother who is a welder and a sister who is a nurse.",
  "Prefers long assignments over single days, and texts over calls.",
  "Turned down a night shift once because of school runs; may have changed.",
  "Speaks some Spanish, reads drawings a little, and is learning spreadsheets.",
  "Needs steel-toed boots; owns a car and a valid licence.",
  "Safety minded: no incident in the file, and a clean drug screen in spring.",
  "Asked about a raise twice; pay is at the middle of the range for the region.",
  "Used to live in Chicago, later in Atlanta, and knows both markets.",
  "Interviewed well, a bit shy at first, careful with paperwork.",
  "Can work weekends when asked a week ahead, never on Sunday morning.",
  "Trained new people on the floor for a season and liked it.",
  "Left one warehouse job after the site closed; reference is on file.",
  "Wants to get certified for something better paid next year.",
  "Was ill for a month in winter and is fully back.",
  "The client praised the handover notes and the tidy workplace.",
];
