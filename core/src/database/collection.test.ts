import { describe, expect, it } from 'vitest'
import { parseCollection, parseExpand, pickFields, type CollectionSpec, type CollectionText } from './collection.ts'

const spec: CollectionSpec = {
  columns: {
    id: { column: 'id', type: 'id' },
    name: { column: 'name', type: 'text', folded: 'name_folded' },
    code: { column: 'code', type: 'text' },
    size: { column: 'size', type: 'integer' },
  },
  idColumn: 'id',
  searchColumn: 'name_folded',
  members: ['id', 'name', 'size', '_links'],
  expandable: ['friend'],
}

describe('parseCollection', () => {
  const refuse = (text: CollectionText) => expect(() => parseCollection(spec, text))

  it('names the parameter and the field that it refuses', () => {
    refuse({ sort: '-colour' }).toThrow('sort.colour')
    refuse({ sort: 'toString' }).toThrow('sort.toString')
    refuse({ fields: 'name,colour' }).toThrow('fields.colour')
    refuse({ expand: 'enemy' }).toThrow('expand.enemy')
    refuse({ filter: 'colour:red' }).toThrow('filter.colour')
    refuse({ q: 'a\u0000' }).toThrow('q: must not contain control characters')
    expect(() => parseExpand(spec, 'enemy')).toThrow('expand.enemy')
  })

  it('reads the order, the members and what to expand', () => {
    const query = parseCollection(spec, { sort: '-size, name', fields: 'name', expand: 'friend' })
    expect(query.sort.map(({ column, descending }) => [column.column, descending])).toEqual([
      ['size', true],
      ['name', false],
    ])
    expect(query.fields).toEqual(new Set(['name']))
    expect(query.expand).toEqual(new Set(['friend']))
  })

  it('refuses q where nothing can be searched', () => {
    const { searchColumn: _none, ...unsearchable } = spec
    expect(() => parseCollection(unsearchable, { q: 'a' })).toThrow('q: is not offered')
  })
})

describe('pickFields', () => {
  it('keeps the id, what was expanded and what was asked for', () => {
    const item = { id: 'a', name: 'b', size: 1, _links: [], _embedded: {} }
    expect(pickFields(item, new Set(['size']))).toEqual({ id: 'a', size: 1, _embedded: {} })
    expect(pickFields(item, null)).toBe(item)
  })
})
