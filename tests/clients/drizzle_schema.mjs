// The schema that drizzle's tests work with; drizzle-kit makes a migration of it.

import { relations, sql } from 'drizzle-orm';
import { index, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const customers = sqliteTable('customers', {
  id: integer().primaryKey({ autoIncrement: true }),
  email: text().notNull().unique(),
  plan: text({ enum: ['free', 'pro'] }).notNull().default('free'),
  balance: real(),
  active: integer({ mode: 'boolean' }).notNull().default(true),
  tags: text({ mode: 'json' }),
  joined: integer({ mode: 'timestamp' }).notNull().default(sql`(unixepoch())`),
});

export const tickets = sqliteTable('tickets', {
  id: integer().primaryKey(),
  customerId: integer('customer_id').notNull().references(() => customers.id, { onDelete: 'cascade' }),
  subject: text().notNull(),
}, (table) => [index('tickets_by_customer').on(table.customerId)]);

export const customersRelations = relations(customers, ({ many }) => ({ tickets: many(tickets) }));
export const ticketsRelations = relations(tickets, ({ one }) => ({ customer: one(customers, { fields: [tickets.customerId], references: [customers.id] }) }));
